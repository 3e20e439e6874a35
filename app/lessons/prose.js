// The texts of lessons as paragraphs.

function paragraphs(text) {
  return text.split("\n\n").map(rich);
}

// A paragraph of text in which **so** is bold; nothing else in it means anything.
function rich(text) {
  const paragraph = element("p");
  text.split("**").forEach((part, k) => paragraph.append(k % 2 ? element("b", "", part) : part));
  return paragraph;
}
