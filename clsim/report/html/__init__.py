"""A report of one run or several: an HTML page that stands alone, pictures and tables for papers."""
