"""What is printed: papers for people who have no screen of ours."""
