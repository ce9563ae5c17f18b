"""The build of the provider packages, in the order of its steps: `locks`, `wheels`, `generations`, `groups`,
`instrumentors`, `constraints`, `notices`, `image`; `targets` says for what."""
