// Applies the chosen theme before anything is painted. Without a choice the browser's preference holds.
"use strict";
const chosen = localStorage.getItem("theme");
if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
