"""The Streamlit app: glue between vitrm and the pages."""
