"""A study's results as one page: verdict, claims, tables, figures, notebooks. It reads result files only."""
