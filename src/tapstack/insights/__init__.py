"""The insights API: features of users and items, as the recommendation engine reads them."""
