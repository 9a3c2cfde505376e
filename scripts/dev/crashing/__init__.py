"""What `crash_test.py` trains, kills and resumes."""
