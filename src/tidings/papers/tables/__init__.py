"""Results as tables with typed columns, and those as CSV, XLSX and frames."""
