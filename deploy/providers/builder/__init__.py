"""The build of the provider packages, in the order of its steps: `locks`, `wheels`, `groups`, `instrumentors`,
`constraints`, `image`; `targets` says for what."""
