"""Who may do what: roles, the tokens and people that have them, and how people log in by OpenID Connect."""
