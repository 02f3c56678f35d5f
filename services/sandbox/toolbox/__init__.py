"""Scripts that run in containers of their own: they fill the toolbox, and look at an image before it is used."""
