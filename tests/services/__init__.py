"""The real services that tests run against beside the embedded ones: setting them up, finding them."""
