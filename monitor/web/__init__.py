"""What people see in a browser: the board, a page for each point; and the endpoints that programs ask."""
