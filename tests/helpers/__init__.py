"""Builders of small inputs, fakes and readers that several tests share."""
