/** @type {HTMLFormElement} */ ;(document.getElementById('open')).submit()
