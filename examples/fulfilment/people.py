"""Made-up customers with their addresses, in as many scripts as our own post office can print."""

# ruff: noqa: RUF001 (people are called what they are called)

PEOPLE = """\
Ingrid Sørensen|Storgata 12B|Tromsø|9008|NO|NOK
Åse Bjørkås|Ytre Årstadveien 3|Bergen|5009|NO|NOK
Mikkel Ánte Sara|Deanugeaidnu 40|Kárášjohka|9730|NO|NOK
Björk Þórðardóttir|Skólavörðustígur 7|Reykjavík|101|IS|EUR
Väinö Hämäläinen|Hämeenkatu 21 A 4|Tampere|33200|FI|EUR
Linnéa Öberg|Västerlånggatan 31|Stockholm|111 29|SE|EUR
Søren Ægidius Krogh|Ærøvej 5|Ærøskøbing|5970|DK|EUR
Jürgen Weiß|Große Bleichen 14|Köln|50667|DE|EUR
Zoë Lefèvre|8 rue de l’Échaudé|Besançon|25000|FR|EUR
Begoña Núñez Ibáñez|Calle del Águila 19, 2º izq.|Logroño|26001|ES|EUR
Łucja Wójcik-Żak|ul. Święty Marcin 47/9|Poznań|61-806|PL|EUR
Jiří Dvořák|Na Příkopě 3|Ústí nad Labem|400 01|CZ|EUR
João Gonçalves|Rua do Açúcar 88|Évora|7000-504|PT|EUR
Niccolò D’Angelo|Via dell’Università 2|Forlì|47121|IT|EUR
Γεωργία Παπαδοπούλου|Οδός Αθηνάς 17|Θεσσαλονίκη|546 31|GR|EUR
Олена Шевченко|вул. Ґонти 6, кв. 12|Львів|79000|UA|EUR
Стоян Желязков|ул. „Шипка“ 8|Пловдив|4000|BG|EUR
Siobhán Ní Bhriain|14 Sráid na Siopaí|Gaillimh|H91 X2Y3|IE|EUR
Aoife O’Reilly-Smith|3 St Giles’ Court, Flat 2|Oxford|OX1 3JP|GB|GBP
Llŷr ap Gruffydd|Heol y Bont 9|Llanfairpwllgwyngyll|LL61 5UJ|GB|GBP
Zainab Okonkwo-Bell|221 Canal Walk|Leeds|LS10 1JR|GB|GBP
Màiri NicDhòmhnaill|5 Sràid a’ Chaisteil|Inbhir Nis|IV2 3EA|GB|GBP
佐藤 美咲|中京区御池通 12-3|京都市|604-8091|JP|JPY
渡邉 健太郎|神田神保町 2丁目 4-8 202号|東京都千代田区|101-0051|JP|JPY
ヤマダ タロウ|北一条西 5-1|札幌市|060-0001|JP|JPY
김하늘|종로구 북촌로 31|서울|03055|KR|USD
陳怡君|忠孝東路四段 88 號 6 樓|臺北市|106|TW|USD
ปิยะดา ศรีสุวรรณ|ถนนนิมมานเหมินท์ 17|เชียงใหม่|50200|TH|USD
अनन्या शर्मा|१२, महात्मा गांधी मार्ग|जयपुर|302001|IN|INR
தமிழ்ச்செல்வி முருகன்|45, அண்ணா சாலை|சென்னை|600002|IN|INR
రవి చంద్ర|8-2-120 బంజారా హిల్స్|హైదరాబాద్|500034|IN|INR
ਗੁਰਪ੍ਰੀਤ ਕੌਰ|ਹਾਲ ਬਾਜ਼ਾਰ 61|ਅੰਮ੍ਰਿਤਸਰ|143001|IN|INR
শর্মিষ্ঠা রায়|২৭ ধানমন্ডি|ঢাকা|1209|BD|USD
නිමල් පෙරේරා|ගාලු පාර 102|කොළඹ|00300|LK|USD
فاطمة الخليفة|طريق ١٢، مبنى ٤٠٥|المنامة|317|BH|BHD
يوسف عبد الرحمن|شارع البديع ٨٨|المحرق|209|BH|BHD
نورهان السيد|١٥ شارع طلعت حرب|القاهرة|11511|EG|USD
נועה לוי|רחוב הרצל 24|חיפה|3303141|IL|USD
ሰላማዊት ተስፋዬ|ቦሌ መንገድ 9|አዲስ አበባ|1000|ET|USD
ნინო ბერიძე|რუსთაველის გამზ. 12|თბილისი|0108|GE|EUR
Անի Պետրոսյան|Աբովյան փողոց 30|Երևան|0001|AM|EUR
Nguyễn Thị Ánh Tuyết|36 Phố Hàng Bạc|Hà Nội|100000|VN|USD
Dr. María-José Peña|1200 Ocean Ave, Apt. #7½|Santa Cruz, CA|95060|US|USD
Kahananui Kāneʻohe|45-720 Kamehameha Hwy|Kāneʻohe, HI|96744|US|USD
Émilie Tremblay-Côté|455, rue Saint-Jean, app. 3|Québec|G1R 1P4|CA|USD
Xóchitl Hernández|Av. Benito Juárez 210|Oaxaca de Juárez|68000|MX|USD
Conceição Araújo|Rua São João, 77 – fundos|Maceió|57020-440|BR|USD
Olúwaṣeun Adébáyọ̀|12 Ọjà Ọba Road|Ìbàdàn|200283|NG|USD
Ngaio Te Kāwana|7 Marine Pde|Ahuriri, Te Matau-a-Māui|4110|NZ|USD
O|1 X|Å|6065|NO|NOK
"""

GREETINGS = (
    "Gratulerer med dagen! 🎂",
    "Happy birthday, you old octopus 🐙",
    "お誕生日おめでとうございます",
    "عيد ميلاد سعيد",
    "Joyeux anniversaire, ma chérie — à dimanche !",
    'Zum Einzug alles Gute; "Brot & Salz" folgen.',
    "שנה טובה",
    "З днем народження! 💙💛",
    "जन्मदिन की शुभकामनाएँ",
    "To Ø,\nwho knows why: 100 % wool, <b>not bold</b>",
    "👩‍👩‍👧‍👦 from all of us",
)


def people() -> list[dict[str, str]]:
    """Every customer, by field."""
    fields = ("name", "street", "city", "postcode", "country", "currency")
    return [dict(zip(fields, line.split("|"), strict=True)) for line in PEOPLE.splitlines()]
