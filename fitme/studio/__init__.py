"""`fitme studio`: a page on this machine for people without a shell."""
