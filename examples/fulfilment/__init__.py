"""A shop's order journey, from payment to parcel."""
