// How Streamlit mounts the player (components v2)

export default mountPlayer;
