// How Streamlit mounts the panel (components v2)

export default mountExits;
