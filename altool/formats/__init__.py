"""What annotation tools write and read: one file for each format, with its record FORMAT. Every module here is a format."""
