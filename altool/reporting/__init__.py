"""What `altool report` shows: the content as plain data, a terminal table, plots and an HTML page."""
