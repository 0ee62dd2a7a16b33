KINDS = ("daily", "monthly")
