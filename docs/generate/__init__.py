"""Makes those pages of the documentation's site that say what the code says: commands, settings, layouts, metrics.

They are made when the site is built and not kept in the repository: a page that is kept can be wrong, and somebody
has to remember to make it again. Each module makes one kind of page and returns Markdown; ``hooks`` puts them into the
site.
"""
