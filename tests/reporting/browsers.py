"""Headless Chromium, as Debian installs it, driven by selenium."""

import contextlib
import importlib

FLAGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
FLAGS += " --disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars"


@contextlib.contextmanager
def browser(profile, width=1400, height=1000):
    """Yields a driver of a new Chromium with an empty profile in a folder."""
    # Of the extra interop, which the default tests do without.
    webdriver = importlib.import_module("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in [*FLAGS.split(), f"--user-data-dir={profile}", f"--window-size={width},{height}"]:
        options.add_argument(flag)
    # The path of the driver, so that selenium does not look for one on the network.
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    try:
        yield driver
    finally:
        driver.quit()


def waiting(driver, seconds=60):
    """Returns what waits until a function of the driver is true."""
    return importlib.import_module("selenium.webdriver.support.ui").WebDriverWait(driver, seconds)
