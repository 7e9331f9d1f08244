"""Documents in the forms of other projects, in and out: OBELICS, MMC4, image-text pairs, NeMo Curator, datasets."""
