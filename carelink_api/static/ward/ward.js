// The ward workstation.

import { $, fill, h } from "../ui.js";

fill($("#app"), h("main", { id: "main", class: "page" }, h("h1", {}, "CareLink")));
