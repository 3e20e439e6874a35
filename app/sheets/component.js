// How Streamlit mounts a sheet (components v2)

export default mountSheet;
