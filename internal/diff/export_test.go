package diff

// WishOf is wishOf, for tests of what is remembered.
var WishOf = wishOf
