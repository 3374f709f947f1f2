"""The pages of reports: what they show as plain data for templates, and their charts."""
