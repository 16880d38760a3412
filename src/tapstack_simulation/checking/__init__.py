"""The checker: observes the running pipeline and checks the invariants.

`checker` sees everything that happens. `facts` reads records, `contents` holds them against what clients
said; `users`, `memory` and `behaviour` hold a user's row against its events, `derived` items' rows and
`boards` leaderboards (`rows` reads them); `ending` folds all events anew; `views`, `trends`, `questions` and
`past` compute what readers must be shown. It shares no code with the product.
"""
