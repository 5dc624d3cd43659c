"""Problems with exact verifiers, and thoughts about them, made from nothing."""
