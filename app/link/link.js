// A browser lets a page copy only at https or on the server's own machine; elsewhere the address is shown, selected.
export default ({ data, parentElement }) => {
  arrive(parentElement.ownerDocument, data);
  const [button, address, said] = ["button", "input", "span"].map((name) => parentElement.querySelector(name));
  button.onclick = async () => {
    address.value = parentElement.ownerDocument.defaultView.location.href;
    address.hidden = true;
    try {
      await navigator.clipboard.writeText(address.value);
      said.textContent = "Copied";
    } catch {
      address.hidden = false;
      address.select();
      said.textContent = "Press Ctrl+C";
    }
    setTimeout(() => { said.textContent = ""; }, 4000);
  };
};
