"""The final stage: what is trained again, beside what, and how the results are summed up."""
