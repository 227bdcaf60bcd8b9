"""The JSON API with which an application's own front end manages its people's accounts (`/api/auth`).

It is another face of `server.accounts`: the same throttles, policies and audit as the pages. What a person sees is in
`server.pages`, what clients of OAuth speak is in `server.endpoints`.
"""
