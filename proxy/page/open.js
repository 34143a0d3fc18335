// A module, so the form is there, and the load is not over: what comes takes this page's place in the history.
document.forms[0]?.submit()
