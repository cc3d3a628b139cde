"""Results on paper: charts, pages for a browser, PDF and mail, and tables for spreadsheets and notebooks."""
