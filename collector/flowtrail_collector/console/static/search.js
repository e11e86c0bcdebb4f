// Suggests ids that begin as what is typed does; without it, the page behind "Find" lists them.
"use strict";
(() => {
  const field = document.getElementById("q");
  const list = document.getElementById("ids");
  // Beside this script, wherever a proxy has put both.
  const address = new URL("../api/v1/search", document.currentScript.src);
  if (!field || !list) return;
  const LEAST = 2;
  let timer = null;
  let asked = "";

  const suggest = async () => {
    const prefix = field.value.trim();
    if (prefix.length < LEAST || prefix === asked) return;
    asked = prefix;
    address.search = new URLSearchParams({ prefix, limit: "8" });
    try {
      const answer = await fetch(address, { headers: { accept: "application/json" } });
      if (!answer.ok || prefix !== field.value.trim()) return;
      const { found } = await answer.json();
      list.replaceChildren(...found.map((name) => {
        const option = document.createElement("option");
        option.value = name.id;
        option.label = `${name.flow}, ${name.outcome.replace("_", " ")}`;
        return option;
      }));
    } catch {
      // Then there are none.
    }
  };

  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(suggest, 150);
  });
})();
