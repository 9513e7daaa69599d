//! What a stranger sends to be shown: in the browser, in the terminal, to a model.
