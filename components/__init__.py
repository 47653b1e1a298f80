"""What people see: values in, Dash components out. Knows no database and no address."""
