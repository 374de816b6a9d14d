document.documentElement.dataset.ready = "no";
