"""The web pages: thin views over the rooms to their left. They decide nothing, and they ask no
other site for anything."""
