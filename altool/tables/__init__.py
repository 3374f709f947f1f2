"""The table contract in code: what each kind holds, how it is read, checked, aligned and written."""
