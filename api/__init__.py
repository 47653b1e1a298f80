"""The web server around the screens: health, downloads, and the API to come."""
