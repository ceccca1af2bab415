"""HTTP for upstream systems, citizens, editors and operators."""
