"""Facts about the production host: a recorded sample, in the formats of the tools that produce such facts.

No sandbox has a rented server with encrypted volumes under it. So the deployment carries, in ``host-facts``, what an
inventory job would have collected on Rivet's server: each file is what one command prints there. The manifest ``facts.yaml``
labels it as a sample and says of each file which command printed it, and when. Dates are relative to the start.
"""
