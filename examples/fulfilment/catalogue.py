"""What the shop sells, at what price, and where it may ship. Money is a whole number of minor units, throughout."""

from __future__ import annotations

from typing import Any, NamedTuple


class Product(NamedTuple):
    """One article: its price in euro cents, its weight in grams, and how many there are at first."""

    title: str
    cents: int
    grams: int
    stock: int


class Currency(NamedTuple):
    """How many decimals an amount is shown with, and what ten thousand euro cents are in its minor units."""

    decimals: int
    rate: int


class Zone(NamedTuple):
    """What a parcel costs, in euro cents, and the countries that it reaches for that."""

    name: str
    cents: int
    countries: frozenset[str]


PRODUCTS = {
    "MUG-BLUE": Product("Stoneware mug, blue", 1_890, 420, 900),
    "MUG-SAND": Product("Stoneware mug, sand", 1_890, 420, 900),
    "POT-IRON": Product("Cast iron teapot, 1.1 l", 8_400, 2_900, 300),
    "TEA-SENCHA": Product("Sencha, 100 g", 1_450, 120, 900),
    "TEA-ASSAM": Product("Assam, 250 g", 1_240, 270, 900),
    "COFFEE-YIRGA": Product("Yirgacheffe, whole beans, 1 kg", 3_200, 1_030, 900),
    "GRINDER-HAND": Product("Hand grinder, steel burrs", 12_900, 640, 300),
    "KETTLE-GOOSE": Product("Gooseneck kettle, 0.9 l", 6_750, 980, 300),
    "FILTER-100": Product("Paper filters, 100", 590, 150, 900),
    "BOOK-TEA": Product("The Book of Tea", 1_600, 310, 900),
    "APRON-LINEN": Product("Linen apron", 4_300, 380, 300),
    "SPOON-OLIVE": Product("Olive wood spoon", 950, 60, 900),
    "SCALE-01": Product("Kitchen scale, 0.1 g", 5_490, 520, 300),
    "TOWEL-SET": Product("Tea towels, set of three", 2_350, 290, 900),
    "SET-TASTING": Product("Tasting set for ten, in a crate", 64_000, 9_800, 120),
    "KINTSUGI-12": Product("Kintsugi bowl, one of twelve", 38_000, 700, 12),
}

CURRENCIES = {
    "EUR": Currency(2, 10_000),
    "NOK": Currency(2, 117_350),
    "GBP": Currency(2, 8_580),
    "USD": Currency(2, 10_840),
    "JPY": Currency(0, 16_320),
    "INR": Currency(2, 976_400),
    "BHD": Currency(3, 40_860),
}

ZONES = (
    Zone("nordic", 590, frozenset({"NO", "SE", "DK", "FI", "IS"})),
    Zone("europe", 990, frozenset({"DE", "FR", "ES", "PL", "GR", "IE", "GB", "CZ", "PT", "IT", "UA", "BG"})),
    Zone(
        "world",
        2_400,
        frozenset(
            {
                "JP",
                "KR",
                "TW",
                "TH",
                "IN",
                "BD",
                "LK",
                "BH",
                "EG",
                "IL",
                "ET",
                "GE",
                "AM",
                "VN",
                "US",
                "CA",
                "MX",
                "BR",
                "NG",
                "NZ",
            }
        ),
    ),
)
EMBARGOED = frozenset({"KP"})
WRAPPING = 450
"""Gift wrapping for one order, in euro cents."""

LIMIT = 1_000_000
"""The largest order that is taken without a telephone call, in euro cents."""

PARCEL = 20_000
"""The heaviest parcel, in grams."""


def convert(cents: int, currency: str) -> int:
    """Euro cents in the minor units of a currency, half a unit rounded up."""
    return (cents * CURRENCIES[currency].rate + 5_000) // 10_000


def postage(country: str) -> int | None:
    """What a parcel to this country costs, in euro cents; None where we do not ship."""
    return next((zone.cents for zone in ZONES if country in zone.countries), None)


def total(items: list[tuple[str, int]], currency: str, *, country: str, gift: bool) -> int:
    """What an order costs, in minor units of its currency; each price is converted by itself, as the shop shows it."""
    goods = sum(convert(PRODUCTS[sku].cents, currency) * quantity for sku, quantity in items)
    extras = [postage(country) or 0, WRAPPING if gift else 0]
    return goods + sum(convert(cents, currency) for cents in extras)


def in_euro_cents(amount: int, currency: str) -> int:
    """The other way round, for limits; rounded down."""
    return amount * 10_000 // CURRENCIES[currency].rate


def shown(amount: int, currency: str) -> str:
    """`NOK 1,234.50`, `JPY 1,234`, `BHD 1.234`."""
    decimals = CURRENCIES[currency].decimals
    whole, part = divmod(amount, 10**decimals)
    return f"{currency} {whole:,}" + (f".{part:0{decimals}d}" if decimals else "")


def parcels(items: list[tuple[str, int]]) -> list[int]:
    """The weights of the parcels that these items fill, in grams; an article goes into the first with room for it."""
    filled: list[int] = []
    for weight in sorted((PRODUCTS[sku].grams for sku, quantity in items for _ in range(quantity)), reverse=True):
        place = next((index for index, grams in enumerate(filled) if grams + weight <= PARCEL), None)
        if place is None:
            filled.append(weight)
        else:
            filled[place] += weight
    return filled


def stock() -> list[dict[str, Any]]:
    """The first rows of the table `stock`."""
    return [{"sku": sku, "available": product.stock} for sku, product in PRODUCTS.items()]
