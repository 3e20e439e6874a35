"""Who leaves when among all test images, as the page's threshold moves."""
