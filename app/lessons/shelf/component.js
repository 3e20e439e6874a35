// How Streamlit mounts the shelf (components v2)

export default mountShelf;
