"""HTML report of one run or several, with pictures and tables for papers."""
