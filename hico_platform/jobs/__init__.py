"""A search as a job of a cluster: a script for Slurm, a manifest for KubeRay, and the programs that take them."""
